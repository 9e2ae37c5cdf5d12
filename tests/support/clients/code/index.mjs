// The Node.js function of the scenario. It needs no package.
export const handle = async (event, context) => {
  if (context.getRemainingTimeInMillis() <= 0) throw new Error("no time is left");
  return { greeting: `Hello, ${event.name}, from ${context.functionName}` };
};
