/** How long the client under test bears silence, in ms; rows about silence lower it, the mock of the test file hands it on. */
export const patience = { stall: 60_000 }
