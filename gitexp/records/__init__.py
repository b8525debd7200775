"""Records and settings: one codec, their versions and schemas."""
