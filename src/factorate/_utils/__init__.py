"""Types, validation, random streams, threads and files: what every layer uses."""
