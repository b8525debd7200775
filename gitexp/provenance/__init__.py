"""What is known of the origin of a record: order, witnesses, trust, contradictions."""
