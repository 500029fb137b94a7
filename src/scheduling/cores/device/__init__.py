"""What a device decides: what runs, what is decoded and what is loaded. An executor process and a simulated device are its shells."""
