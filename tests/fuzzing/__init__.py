"""Coverage-guided fuzzing of everything that reads bytes of others.

| module | what it holds |
| --- | --- |
| `targets` | the readers, each as a function of bytes that raises nothing but what it says that it refuses |
| `seeds` | what each reader is first given |
| `engine` | atheris, one reader in a process of its own |

`python -m tests.fuzzing --minutes 60 codec mail` gives each named reader so long; without a name, all of them.
"""
