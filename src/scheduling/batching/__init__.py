"""Forms batches on one device."""
