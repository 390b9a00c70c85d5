"""placeholder"""

PUBLIC = {}
