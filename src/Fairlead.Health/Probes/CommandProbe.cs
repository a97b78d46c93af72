using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Fairlead.Net.Linux;

namespace Fairlead.Health.Probes;

/// <summary>
/// A program with the exit codes of Nagios' plugins: 0 OK and 1 WARNING are up, 2 CRITICAL is down, 3 UNKNOWN says
/// nothing of the backend; anything else is down. No shell reads the command. It leads a session and so a process group
/// of its own (setsid, of util-linux, becomes it), which is killed as a whole when its time is over.
/// </summary>
internal sealed class CommandProbe(string folder)
{
    private const int OutputBytesMax = 4096;
    private const int NotRunnable = 126;
    private const int NotFound = 127;
    private const int Signalled = 128;

    // Each is a process: a thousand checks must not become a thousand of them at once.
    private readonly SemaphoreSlim places = new(64);

    public async Task<ProbeResult> RunAsync(Check check, CancellationToken stop)
    {
        if (!await places.WaitAsync(check.Spec.EffectiveTimeout / 2, stop))
            return ProbeResult.OursToBlame("too many commands run at once");
        try
        {
            return await RunInPlaceAsync(check, stop);
        }
        finally
        {
            places.Release();
        }
    }

    private async Task<ProbeResult> RunInPlaceAsync(Check check, CancellationToken stop)
    {
        using Process process = Start(check);
        var said = new Said();
        var complained = new Said();
        try
        {
            process.StandardInput.Close();
            Task reading = Task.WhenAll(
                said.ReadAsync(process.StandardOutput.BaseStream, stop),
                complained.ReadAsync(process.StandardError.BaseStream, stop));
            await process.WaitForExitAsync(stop);
            // What it has started may hold the output open for ever: what is there now is what it has said.
            await Task.WhenAny(reading, Task.Delay(50, stop));
            return Judge(process.ExitCode, said.SoFar.Length > 0 ? said.SoFar : complained.SoFar);
        }
        finally
        {
            // Its children too, also when it has ended well: a try that leaves one behind would do so each second. The
            // number stays the group's while one of it lives.
            _ = Libc.Kill(-process.Id, Libc.SIGKILL);
            if (!process.HasExited)
            {
                process.Kill(); // In the first instants it leads no group yet.
                await process.WaitForExitAsync(CancellationToken.None);
            }
        }
    }

    internal static ProbeResult Judge(int code, ReadOnlyMemory<byte> output)
    {
        string line = Encoding.UTF8.GetString(output.Span).Split('\n')[0].Trim();
        (Outcome outcome, string word) = code switch
        {
            0 => (Outcome.Success, "OK"),
            1 => (Outcome.Success, "WARNING"),
            2 => (Outcome.Failure, "CRITICAL"),
            3 => (Outcome.Unknown, "UNKNOWN"),
            NotRunnable or NotFound => (Outcome.Unknown, "cannot be run"),
            > Signalled => (Outcome.Failure, $"ended by signal {code - Signalled}"),
            _ => (Outcome.Failure, $"exit code {code}"),
        };
        return new ProbeResult(outcome, line.Length == 0 ? word : $"{word}: {line}") { Code = code, Heard = output };
    }

    private Process Start(Check check)
    {
        var start = new ProcessStartInfo("setsid")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder,
        };
        foreach (string argument in check.Spec.Command) start.ArgumentList.Add(Filled(argument, check));
        // Its own environment and no more: ours may hold what is nobody's business.
        start.Environment.Clear();
        start.Environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        start.Environment["LANG"] = "C.UTF-8";
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception fault)
        {
            throw new OwnFault($"{check.Spec.Command[0]}: {fault.Message}", fault);
        }
    }

    private static string Filled(string argument, Check check) => argument
        .Replace("{address}", check.Target.Address.ToString(), StringComparison.Ordinal)
        .Replace("{port}", check.Target.Port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);

    /// <summary>The beginning of what a program writes.</summary>
    private sealed class Said
    {
        private readonly byte[] bytes = new byte[OutputBytesMax];
        private int length;

        public ReadOnlyMemory<byte> SoFar => bytes.AsMemory(0, Volatile.Read(ref length));

        public async Task ReadAsync(Stream stream, CancellationToken stop)
        {
            byte[] rest = new byte[1024];
            try
            {
                while (true)
                {
                    // What is too much is read and dropped, so that nobody blocks who talks.
                    bool isFull = length == bytes.Length;
                    int read = await stream.ReadAsync(isFull ? rest : bytes.AsMemory(length), stop);
                    if (read == 0) return;
                    if (!isFull) Volatile.Write(ref length, length + read);
                }
            }
            catch (Exception ended) when (ended is OperationCanceledException or IOException or ObjectDisposedException)
            {
                // The program is gone, or its time is over.
            }
        }
    }
}
