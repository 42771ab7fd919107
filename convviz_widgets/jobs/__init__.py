"""The worker thread: runs any iterator of steps, newest wins."""
