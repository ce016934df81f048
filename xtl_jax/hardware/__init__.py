"""TPU hardware as tables: generations, slices and prices, each with its source."""
