"""Image files as they come: known by their content, and photos of phones, which get JPEG copies. Labels are not known here."""
