"""The service: a lake over gRPC and HTTP. Needs `pip install 'headrace[server]'`; nothing below imports it."""
