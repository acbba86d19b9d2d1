"""Results that were taken elsewhere: published ones from files, and one's own runs that another machine trained."""
