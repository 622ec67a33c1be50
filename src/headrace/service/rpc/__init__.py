"""gRPC: the reference service's calls over a lake."""
