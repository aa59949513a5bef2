"""The same requests through Django's own stack and through ours, and what differs: nothing."""
