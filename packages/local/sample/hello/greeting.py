"""What is said to somebody."""


def greeting(name):
    """Greets somebody; the world when nobody is named."""
    return f"Hello, {name or 'world'}!"
