"""What is checked. Each check is a function of a subject that raises a ``Fault``, or ``NotApplicable``."""
