"""Models that answer chats and choose between options, whatever serves them.

An adapter has its provider's name: ``openai``, ``anthropic``, ``vllm``, ``transformers``, ``reward``, ``scripted``. What
those in this process share is in ``local/``, and ``batches/`` asks a provider by its batches. The other modules are what
every call goes through, from a role to an adapter: ``recorded``, ``groups``, ``throttle``, ``meter``, ``http``."""
