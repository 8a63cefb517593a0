"""What the models that run in this process share, whichever library runs them."""
