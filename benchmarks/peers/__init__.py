"""Other tools that figures are compared with, each in an environment of its own."""
