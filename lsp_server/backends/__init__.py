"""Where suggestions come from: a model in this process, or a server. Each takes a FimPrompt and yields events."""
