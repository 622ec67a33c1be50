"""Where batches are made: in the caller's thread, in a pool of threads, in worker processes."""
