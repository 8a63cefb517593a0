"""What watches a training for going wrong. Pure: numbers that were logged in, findings out.

``spec.py`` says which guards there are and what is done when one fires, ``rules.py`` when each fires, ``watch.py`` keeps
the account. ``trainers/guarding.py`` feeds them."""
