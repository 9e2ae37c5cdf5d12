"""Scripts with which shells complete our commands, options and values, written from the parser.

Our own, and not a library's: argcomplete would start Python at each Tab, and shtab writes no script for fish and knows
no options before the command. A script is static, so that completing takes no time.
"""
