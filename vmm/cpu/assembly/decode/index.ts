// The decoder has no exports of its own: trace/ calls it.
