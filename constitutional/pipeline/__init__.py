"""prompts → responses → critiques → revisions → judgements → pairs: one file per arrow, ``run.py`` drives."""
