"""Link estimates, link traces and link shaping."""
