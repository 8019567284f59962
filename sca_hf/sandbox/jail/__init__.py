"""What runs inside a jail: plain Python on the base interpreter, nothing imported from outside this package.

`launcher` builds the jail: `compiler` compiles programs, `supervisor` is the first process and watches, `zygote` is
warm and forks, `program` is one program's side. The package is imported before the root is changed; its files can't
be seen from inside.
"""
