"""The caster of recsync: tells recceivers, which keep ChannelFinder, what process variables there are."""
