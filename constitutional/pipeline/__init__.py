"""prompts → responses → critiques → revisions → judgements → pairs: one file per arrow, ``driver.py`` drives."""
