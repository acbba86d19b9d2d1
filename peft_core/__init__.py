"""PEFT methods, the fair protocol that trains them, and the measurements that compare them.

Importable alone, without the web product and without torch; torch is loaded where a run needs it.
"""
