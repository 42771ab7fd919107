"""Numbers to pictures and figures."""
