"""The features that Rama ships as addons, one file each, on the public API alone."""
