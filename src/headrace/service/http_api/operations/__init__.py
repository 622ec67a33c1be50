"""What those who run the server ask: is it alive, is it ready, what does it do."""
