"""The claims of the chapter, one a file."""
