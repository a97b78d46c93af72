using Fairlead.Lab.Routers;
using Fairlead.Lab.Topologies;

namespace Fairlead.Lab.Running;

/// <summary>Writing programs' files, starting them, and waiting until they are ready.</summary>
public sealed partial class LabRun
{
    /// <summary>Starts a program that is not of the topology in a host; Kill, RestartHost and Down end it.</summary>
    public LabProcess StartProcess(string host, string file, params string[] arguments) =>
        Launch(Host(host).Name, Path.GetFileName(file), file, arguments);

    private void StartPrograms(IEnumerable<HostSpec> hosts, CancellationToken cancellation)
    {
        var started = new List<StartedProgram>();
        (HostSpec Host, ProgramSpec Program)[] wanted =
        [
            // In the file's order of programs: routers before what needs routes.
            .. Topology.Programs.Where(program => !options.Without.Contains(program.Name))
                .SelectMany(program => hosts.Where(host => host.Programs.Contains(program.Name)),
                    (program, host) => (host, program)),
        ];
        foreach (string home in wanted.Select(one => text.Home(one.Host)).Distinct()) Directory.CreateDirectory(home);
        foreach ((HostSpec host, ProgramSpec program) in wanted) WriteFile(host, program);
        foreach ((HostSpec host, ProgramSpec program) in wanted)
        {
            cancellation.ThrowIfCancellationRequested();
            string[] words = text.Words(program.Command, host);
            started.Add(new StartedProgram(host, program, Launch(host.Name, program.Name, words[0], words.Skip(1))));
        }

        AwaitReady(started, cancellation);
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

    /// <summary>One thread asks all of them in turn: the thread pool would first have to grow for so many.</summary>
    private void AwaitReady(List<StartedProgram> pending, CancellationToken cancellation)
    {
        long start = options.Time.GetTimestamp();
        while (true)
        {
            pending.RemoveAll(IsReady);
            if (pending.Count == 0) return;
            TimeSpan waited = options.Time.GetElapsedTime(start);
            foreach ((HostSpec host, ProgramSpec program, LabProcess process) in pending)
            {
                if (!process.IsAlive)
                {
                    throw new LabException(
                        LabFault.Program, $"{host.Name}: {program.Name} ended: {LogTail(host, program)}");
                }

                if (waited <= program.Ready!.Within) continue;
                throw new LabException(LabFault.Program, $"{host.Name}: {program.Name} is not ready after "
                    + $"{program.Ready.Within.TotalSeconds} s ({text.Fill(program.Ready.Target, host)}): "
                    + LogTail(host, program));
            }

            Pause.For(TimeSpan.FromMilliseconds(20), cancellation);
        }
    }

    private bool IsReady(StartedProgram one) => one.Program.Ready is not { } ready || Readiness.Ask(
        ready.Kind, text.Fill(ready.Target, one.Host), text.Words(ready.Target, one.Host),
        plan.NamespaceOf(one.Host.Name));

    private string LogTail(HostSpec host, ProgramSpec program)
    {
        string log = LogOf(host.Name, program.Name);
        return File.Exists(log) && File.ReadLines(log).TakeLast(30).ToList() is { Count: > 0 } lines
            ? string.Join("\n  ", lines)
            : "it printed nothing";
    }

    private sealed record StartedProgram(HostSpec Host, ProgramSpec Program, LabProcess Process);
}
