"""`moonjelly zoo`: takes networks in, checks them before they are believed, and measures them."""
