using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Fairlead.Lab.Routers;
using Fairlead.Lab.Topologies;

namespace Fairlead.Lab.Running;

/// <summary>Writing programs' files, starting them, and waiting until they are ready.</summary>
public sealed partial class LabRun
{
    /// <summary>Starts a program that is not of the topology inside a host; Kill, RestartHost and Down end it.</summary>
    public LabProcess StartProcess(string host, string file, params string[] arguments) =>
        Launch(Host(host).Name, Path.GetFileName(file), file, arguments);

    private void StartPrograms(IEnumerable<HostSpec> hosts, CancellationToken cancellation)
    {
        var started = new ConcurrentQueue<(HostSpec Host, ProgramSpec Program, LabProcess Process)>();
        (HostSpec Host, ProgramSpec Program)[] wanted =
        [
            // In the file's order of programs: routers before what needs routes.
            .. Topology.Programs.Where(program => !options.Without.Contains(program.Name))
                .SelectMany(program => hosts.Where(host => host.Programs.Contains(program.Name)),
                    (program, host) => (host, program)),
        ];
        foreach (string home in wanted.Select(one => text.Home(one.Host)).Distinct()) Directory.CreateDirectory(home);
        ForEach(wanted, cancellation, one => WriteFile(one.Host, one.Program));
        foreach ((HostSpec host, ProgramSpec program) in wanted)
        {
            cancellation.ThrowIfCancellationRequested();
            string[] words = text.Words(program.Command, host);
            started.Enqueue((host, program, Launch(host.Name, program.Name, words[0], words.Skip(1))));
        }

        ForEach(started, cancellation, one => AwaitReady(one.Host, one.Program, one.Process, cancellation));
    }

    /// <summary>Parallel.ForEach that throws what the first failing one threw, not a bundle.</summary>
    private static void ForEach<T>(IEnumerable<T> all, CancellationToken cancellation, Action<T> work)
    {
        try
        {
            Parallel.ForEach(all, Parallelism(cancellation), work);
        }
        catch (AggregateException several)
        {
            ExceptionDispatchInfo.Throw(several.Flatten().InnerExceptions[0]);
        }
    }

    private void WriteFile(HostSpec host, ProgramSpec program)
    {
        if (program.Writes is not { } file) return;
        string path = text.Fill(file.File, host);
        string content = options.Files.TryGetValue(host.Name, out string? given) ? given : file.Source switch
        {
            FileSource.Router => InternetRouter.Write(Topology, host),
            FileSource.Template => text.Fill(
                File.ReadAllText(Path.GetFullPath(text.Fill(file.From, host), Topology.Folder)), host),
            _ => Printed(host, program, text.Words(file.From, host)),
        };
        File.WriteAllText(path, content);
    }

    private static string Printed(HostSpec host, ProgramSpec program, string[] words)
    {
        (int exit, string output, string error) = Command.Try(words[0], TimeSpan.FromSeconds(20), null, words[1..]);
        return exit == 0 ? output : throw new LabException(
            LabFault.Program, $"{host.Name}: {program.Name}: {string.Join(' ', words)}: exit {exit}: {error.Trim()}");
    }

    private void AwaitReady(HostSpec host, ProgramSpec program, LabProcess process, CancellationToken cancellation)
    {
        if (program.Ready is not { } ready) return;
        string target = text.Fill(ready.Target, host);
        string[] words = text.Words(ready.Target, host);
        long start = options.Time.GetTimestamp();
        while (!Readiness.Ask(ready.Kind, target, words, plan.NamespaceOf(host.Name)))
        {
            if (!process.IsAlive)
                throw new LabException(LabFault.Program, $"{host.Name}: {program.Name} ended: {LogTail(host, program)}");
            if (options.Time.GetElapsedTime(start) > ready.Within)
            {
                throw new LabException(LabFault.Program, $"{host.Name}: {program.Name} is not ready after "
                    + $"{ready.Within.TotalSeconds} s ({target}): {LogTail(host, program)}");
            }

            Pause.For(TimeSpan.FromMilliseconds(25), cancellation);
        }
    }

    private string LogTail(HostSpec host, ProgramSpec program)
    {
        string log = LogOf(host.Name, program.Name);
        return File.Exists(log) && File.ReadLines(log).TakeLast(5).ToList() is { Count: > 0 } lines
            ? string.Join("\n  ", lines)
            : "it printed nothing";
    }
}
