"""Tables, figures and pages made from what the store holds."""
