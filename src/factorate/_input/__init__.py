"""From any form of ratings to rows, values and the index of ids."""
