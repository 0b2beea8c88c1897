"""Where tasks run: one contract, and the engines that meet it."""
