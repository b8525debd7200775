"""What each verb answers, as text and as JSON."""
