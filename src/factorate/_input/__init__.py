"""Read ratings in any accepted form as rows, values and indexes of ids."""
