"""The operators and their peers: what is measured, what each call is, what it must move."""
