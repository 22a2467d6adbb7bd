"""Types, validation, random streams, threads and files, used by all layers."""
