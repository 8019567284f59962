"""What runs inside a jail: plain Python on the base interpreter, nothing imported from outside this package.

`launcher` builds the jail and becomes its first process, `warm` serves programs in it, `runner` is one program's side
after the fork. The package is imported before the root is changed; its files can't be seen from inside.
"""
