"""What a fit leaves behind, how it is saved, and how it is kept up to date."""
