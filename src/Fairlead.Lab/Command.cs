using System.Diagnostics;

namespace Fairlead.Lab;

/// <summary>A command of the machine (ip, birdc, kdig), run to its end.</summary>
public static class Command
{
    /// <summary>Runs it and gives what it printed. IOException with its error text when it exits with not 0.</summary>
    public static string Run(string file, params string[] arguments)
    {
        (int exit, string output, string error) = Try(file, TimeSpan.FromSeconds(30), null, arguments);
        return exit == 0
            ? output
            : throw new IOException(
                $"{file} {string.Join(' ', arguments)}: exit {exit}: {error.Trim()} {output.Trim()}");
    }

    /// <summary>Runs it within the time, else kills it (exit -1). Input, if any, goes to its standard input.</summary>
    public static (int Exit, string Output, string Error) Try(
        string file, TimeSpan within, string? input, params string[] arguments)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        using Process process = Process.Start(start) ?? throw new IOException($"{file} does not start");
        if (input is not null) process.StandardInput.Write(input);
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(within))
        {
            process.Kill(entireProcessTree: true);
            return (-1, "", $"not ended within {within.TotalSeconds} s");
        }

        return (process.ExitCode, output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
    }
}
