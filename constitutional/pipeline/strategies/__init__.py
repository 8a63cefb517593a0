"""Other strategies on a finished run: what each makes of what the ledger holds, and what it would still have to ask."""
