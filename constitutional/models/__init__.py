"""Models that answer chats and choose between options, whatever serves them.

- The contract: ``base``.
- An adapter for each provider, by its name: ``openai`` (and ``openai_http``, without the SDK), ``anthropic``, ``vllm`` (and
  ``vllm_engine``), ``transformers``, ``scripted``; and ``reward_model``, which gives numbers. What those in this process
  share is in ``local/``; ``batches/`` asks a provider by its batches.
- What every call goes through, from a role to an adapter: ``recorded`` (``work`` for what a plugin does itself), ``groups``,
  ``throttle``, ``meter``, ``http``. What is slow to start is started by ``started``."""
