// A mutation fuzzer for everything that reads foreign bytes.
//   Fairlead.Fuzz TARGET|all [--minutes N] [--seed N] [--runs N]     ends with 1 when something broke
//   Fairlead.Fuzz TARGET FILE                                        runs one input, as findings/TARGET/... holds them
// Each target has its part of the minutes. A finding is saved to findings/TARGET with its seed and its stack.
using System.Globalization;
using Fairlead.Fuzz;
using Fairlead.Fuzz.Targets;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
string name = args.ElementAtOrDefault(0) ?? "";
IFuzzTarget[] targets = [.. AllTargets.Make().Where(target => name is "all" || target.Name == name)];
if (targets.Length == 0) return Usage();
if (args.Length == 2 && File.Exists(args[1]))
{
    Console.WriteLine($"behaviour {targets[0].Run(Corpus.Read(args[1], targets[0].IsText)):x8}");
    return 0;
}

double minutes = 1;
long runs = long.MaxValue;
int seed = 1;
for (int i = 1; i < args.Length; i += 2)
{
    string value = args.ElementAtOrDefault(i + 1) ?? "";
    bool read = args[i] switch
    {
        "--minutes" => double.TryParse(value, out minutes),
        "--seed" => int.TryParse(value, out seed),
        "--runs" => long.TryParse(value, out runs),
        _ => false,
    };
    if (!read) return Usage();
}

long executions = 0;
Console.WriteLine($"{"target",-12} {"runs",11} {"runs/s",9} {"behaviours",11}");
foreach (IFuzzTarget target in targets)
{
    FuzzResult result = new Fuzzer(target, seed).Run(TimeSpan.FromMinutes(minutes) / targets.Length, runs);
    executions += result.Executions;
    double rate = result.Executions / result.Time.TotalSeconds;
    Console.WriteLine($"{target.Name,-12} {result.Executions,11} {rate,9:F0} {result.Behaviours,11}");
    if (result.Finding is null) continue;
    Console.Error.WriteLine($"{target.Name}: {result.Story}\nsaved: {result.Finding}");
    return 1;
}

Console.WriteLine($"{executions} runs, nothing found, seed {seed}");
return 0;

int Usage()
{
    string known = string.Join('|', AllTargets.Make().Select(target => target.Name));
    Console.Error.WriteLine($"usage: Fairlead.Fuzz {known}|all [--minutes N] [--seed N] [--runs N] | TARGET FILE");
    return 64;
}
