"""The commands of `quicksilver`, one module each; heavy modules are imported inside: help is quick."""
